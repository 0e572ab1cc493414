#compdef ftp-client
# Completions of ftp-client for zsh. The program itself tells what may follow, also of paths on servers: it asks nobody for
# anything, and gives up after two seconds. Where a dot comes first, zsh may look for paths of its own, as those with a ~.
_ftp-client() {
    local line="${(j: :)words[1,CURRENT-1]} $PREFIX" added=1 files=
    local -a candidates opened
    candidates=("${(@f)$("$words[1]" complete-line --mark-files -- "$line" </dev/null 2>/dev/null)}")
    [[ $candidates[1] == . ]] && files=1
    candidates=("${(@)candidates:#}")
    candidates=("${(@)candidates:#.}")
    opened=("${(@M)candidates:#*[/:]}")
    candidates=("${(@)candidates:#*[/:]}")
    (( $#opened )) && compadd -S '' -a opened && added=0
    (( $#candidates )) && compadd -a candidates && added=0
    [[ -n $files ]] && (( added )) && _files && added=0
    return added
}
if [ "$funcstack[1]" = "_ftp-client" ]; then
    _ftp-client "$@"
else
    compdef _ftp-client ftp-client
fi
