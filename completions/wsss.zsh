
#compdef wsss

_wsss_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _WSSS_COMPLETE=complete_zsh wsss)
}

compdef _wsss_completion wsss
