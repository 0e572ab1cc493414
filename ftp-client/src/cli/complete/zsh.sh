#compdef ftp-client
# Completions of ftp-client for zsh. The program itself tells what may follow, also of paths on servers: it asks nobody for
# anything, and gives up after two seconds.
_ftp-client() {
    local line="${(j: :)words[1,CURRENT-1]} $PREFIX" added=1
    local -a candidates opened
    candidates=("${(@f)$("$words[1]" complete-line -- "$line" </dev/null 2>/dev/null)}")
    candidates=("${(@)candidates:#}")
    opened=("${(@M)candidates:#*[/:]}")
    candidates=("${(@)candidates:#*[/:]}")
    (( $#opened )) && compadd -S '' -a opened && added=0
    (( $#candidates )) && compadd -a candidates && added=0
    (( added )) && _files && added=0
    return added
}
if [ "$funcstack[1]" = "_ftp-client" ]; then
    _ftp-client "$@"
else
    compdef _ftp-client ftp-client
fi
