#!/usr/bin/env python3
"""Records a real session of ftp-client in a terminal (tmux's), and draws the screen as an SVG with selectable text.

    cargo build --release && tests/terminal.py ftp-client/docs/terminal.svg

Takes the programs from target/release, or from the folder that PROGRAMS names. All else is made in a temporary home.
"""
import html, os, re, subprocess, sys, tempfile, time
from pathlib import Path
COLUMNS, ROWS, CELL, LINE = 84, 26, 8.4, 19
COLOURS = {31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff", 36: "#76e3ea"}
PROGRAMS = Path(os.environ.get("PROGRAMS", Path(__file__).parent.parent / "target/release")).resolve()
FILES = {"photos/2026/cat.jpg": 3 << 20, "photos/2026/dog.jpg": 2 << 20, "photos/notes.txt": 640, "photos/old.txt": 900,
         "videos/garden.mkv": 500 << 20, "videos/holiday.mkv": 700 << 20}
SESSION = [
    "ftp-client put -r photos work:", "ftp-client ls -lh work:photos",
    "mv photos/2026/cat.jpg photos/2026/tiger.jpg", "rm photos/old.txt; echo changed >> photos/notes.txt",
    "ftp-client mirror -n --delete --detect-moves photos work:photos",
    "ftp-client mirror --delete --detect-moves photos work:photos",
    "ftp-client hash work:photos/notes.txt", "ftp-client put -r --limit-rate 150M videos work:",
]

def prepare(home, environment):
    """Makes the files, and starts a server that the profile `work` names. Returns the server."""
    run = lambda *words: subprocess.run(words, cwd=home, env=environment, check=True, stdout=subprocess.DEVNULL)
    for name, length in FILES.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(min(length, 1 << 20)) * max(1, length >> 20))
    (home / "srv").mkdir()
    (home / "rc").write_text("PS1='\\[\\e[32m\\]$\\[\\e[0m\\] '\n")
    (home / "pw").touch(0o600)
    (home / "pw").write_text("correct horse\n")
    run("ftp-server", "user", "add", "ann", "--root", "srv", "--access", "full", "--password-file", "pw")
    server = subprocess.Popen(["ftp-server", "serve", "--listen", "127.0.0.1:0"], cwd=home, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    address, pin = server.stdout.readline().split()[2:]
    run("ftp-client", "profile", "add", "work", f"ftpx://ann@{address}/?pin={pin}", "--password-file", "pw")
    return server
def record(home, environment):
    """Types the session, and returns the screen while the last command runs."""
    output = {"env": environment, "check": True, "capture_output": True, "text": True}
    tmux = lambda *words: subprocess.run(["tmux", "-S", home / "tmux", *words], **output).stdout
    tmux("-f", "/dev/null", "new-session", "-d", "-c", home, "-x", str(COLUMNS), "-y", str(ROWS), "bash --rcfile rc")
    try:
        for line in SESSION:
            while not tmux("capture-pane", "-p").rstrip().endswith("$"):
                time.sleep(0.1)
            tmux("send-keys", line, "Enter")
            time.sleep(0.3)
        time.sleep(4)  # into the middle of the last command
        return tmux("capture-pane", "-p", "-e").rstrip("\n").split("\n")
    finally:
        tmux("kill-server")
def svg_of(lines):
    width, height, colour, rows = COLUMNS * CELL + 24, len(lines) * LINE + 28, None, []
    for number, line in enumerate(lines):
        spans, column = [], 0
        for codes, text in re.findall(r"(?:\x1b\[([\d;]*)m)?([^\x1b]*)", line):
            for code in map(int, filter(None, codes.split(";"))):
                colour = COLOURS.get(code)
            fill = f' fill="{colour}"' if colour else ""
            if text:
                spans.append(f'<tspan x="{12 + column * CELL:.1f}"{fill}>{html.escape(text)}</tspan>')
            column += len(text)
        rows.append(f'<text xml:space="preserve" y="{26 + number * LINE}">{"".join(spans)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-family="monospace" '
            f'font-size="14" fill="#e6edf3">\n<rect width="100%" height="100%" rx="8" fill="#0d1117"/>\n'
            + "\n".join(rows) + "\n</svg>\n")

with tempfile.TemporaryDirectory() as folder:
    home, path = Path(folder), f"{PROGRAMS}:/usr/bin:/bin"
    environment = {"HOME": folder, "PATH": path, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    server = prepare(home, environment)
    try:
        Path(sys.argv[1]).write_text(svg_of(record(home, environment)))
    finally:
        server.terminate()
        server.wait()
