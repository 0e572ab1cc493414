# Completions of ftp-client for bash. The program itself tells what may follow, also of paths on servers: it asks nobody for
# anything, and gives up after two seconds.
_ftp_client() {
    local candidate piece=$2
    [[ $piece == [:=] ]] && piece= # bash takes these for words
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <("$1" complete-line --piece="$piece" -- "${COMP_LINE:0:COMP_POINT}" </dev/null 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -o default -F _ftp_client ftp-client
