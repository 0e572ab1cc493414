# Completions of ftp-client for fish. The program itself tells what may follow, also of paths on servers: it asks nobody for
# anything, and gives up after two seconds.
complete -c ftp-client -f -a '(ftp-client complete-line -- (commandline -cp | string collect) </dev/null 2>/dev/null)'
