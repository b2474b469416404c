
_wsss_completion() {
    local IFS=$'
'
    COMPREPLY=( $( env COMP_WORDS="${COMP_WORDS[*]}" \
                   COMP_CWORD=$COMP_CWORD \
                   _WSSS_COMPLETE=complete_bash $1 ) )
    return 0
}

complete -o default -F _wsss_completion wsss
