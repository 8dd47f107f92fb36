// What encoder and decoder have in common.
#pragma once

#include <cstddef>
#include <vector>

#include "type.hpp"
#include "value.hpp"

namespace tool {

inline constexpr std::size_t deepest_value = 200;

/// Whether a part of this type travels as its bytes in memory, of which we must know how they lie there. What can be
/// empty never does, unless it is a member of a struct that does.
inline bool is_flat(const Type& type) {
  if (type.kind == Kind::optional || type.kind == Kind::variant || !type.is_trivial) return false;
  if (type.kind == Kind::array) return is_flat(type.parts.front());
  if (!type.has_layout) throw ValueError("nobody can tell how this message lies in memory; give its bytes: --hex");
  return true;
}

/// The types around the place where one reads or writes.
class Enclosing {
 public:
  /// One level further in, where `stated` stands; counts how deep that is in all.
  class Level {
   public:
    Level(Enclosing& around, const Type& stated) : around_(around), kept_(around.types_), type_(around.enter(stated)) {}
    ~Level() {
      around_.types_.swap(kept_);
      --around_.depth_;
    }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

    [[nodiscard]] const Type& type() const { return type_; }

   private:
    Enclosing& around_;
    std::vector<const Type*> kept_;
    const Type& type_;
  };

 private:
  /// What ^n stands for has its own surroundings again.
  const Type& enter(const Type& stated) {
    if (depth_ == deepest_value) throw ValueError("the value has parts within parts more than 200 deep");
    const Type* type = &stated;
    while (type->kind == Kind::outer) {
      const std::size_t at = types_.size() - static_cast<std::size_t>(type->count);
      type = types_.at(at);
      types_.resize(at);
    }
    types_.push_back(type);
    ++depth_;
    return *type;
  }

  std::vector<const Type*> types_;
  std::size_t depth_ = 0;
};

}  // namespace tool
