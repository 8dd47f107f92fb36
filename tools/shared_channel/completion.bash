# bash completion for shared_channel
_shared_channel() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]-}
  local common='--json --machine --help' names
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'list show top call clean doctor metrics watch --help --version' -- "$word")
    return
  fi
  case $before in
    --sort | -s) mapfile -t COMPREPLY < <(compgen -W 'calls name flight errors memory' -- "$word"); return ;;
    --output | -o) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    --timeout | -t | --interval | -i | --over | --for | --count | -n | --hex) return ;;
  esac
  if [[ $word == -* ]]; then
    local own=
    case $command in
      top) own='--interval --count --sort' ;;
      call) own='--hex --timeout --wait --any-user' ;;
      clean) own='--dead' ;;
      metrics) own='--output' ;;
      watch) own='--over --interval --for' ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$common $own" -- "$word")
    return
  fi
  case $command in
    show | call | watch) ((COMP_CWORD == 2)) || return ;;
    clean) ;;
    *) return ;;
  esac
  names=$("${COMP_WORDS[0]}" list 2>/dev/null | awk 'NR > 1 { print $1 }')
  mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
}
complete -F _shared_channel shared_channel
