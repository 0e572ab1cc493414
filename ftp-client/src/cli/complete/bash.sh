# Completions of ftp-client for bash. The program itself tells what may follow, also of paths on servers: it asks nobody for
# anything, and gives up after two seconds. Where a dot comes first, bash may look for paths of its own, as those with a ~.
_ftp_client() {
    local candidate piece=$2
    [[ $piece == [:=] ]] && piece= # bash takes these for words
    COMPREPLY=()
    while IFS= read -r candidate; do
        if [[ $candidate == . ]]; then
            compopt -o default 2>/dev/null
        else
            COMPREPLY+=("$candidate")
        fi
    done < <("$1" complete-line --mark-files --piece="$piece" -- "${COMP_LINE:0:COMP_POINT}" </dev/null 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _ftp_client ftp-client
