# The checks of one pass over the C sources; lint.sh tells what they are and gives the file names relative to the root.
# Variables: layers, banned (the two tables). Prints "file:line: rule: text".

function report(line, rule, text) { printf "%s:%d: %s: %s\n", FILENAME, line, rule, text }

function starts_with(text, prefix) { return substr(text, 1, length(prefix)) == prefix }

# Is the path the prefix itself, inside of it as a folder, or a file whose name begins so (index/topk: index/topk.c)?
function under(path, prefix,    rest) {
    if (!starts_with(path, prefix)) return 0
    rest = substr(path, length(prefix) + 1)
    return rest == "" || rest ~ /^[\/._]/ || prefix ~ /[\/.]$/
}

function under_any(path, list,    parts, n, i) {
    n = split(list, parts, " ")
    for (i = 1; i <= n; i++) if (under(path, parts[i])) return 1
    return 0
}

function read_tables(    line, key, value, cut, parts) {
    while ((getline line < layers) > 0) {
        if (line ~ /^#/ || line ~ /^[ \t]*$/) continue
        cut = index(line, ":")
        key = substr(line, 1, cut - 1)
        value = substr(line, cut + 1)
        if (key ~ /^</) { sub(/^</, "", key); sub(/>$/, "", key); users[key] = value }
        else if (sub(/^private /, "", key)) friends[key] = value
        else allowed[key] = value
    }
    close(layers)
    while ((getline line < banned) > 0) {
        if (line ~ /^#/ || line ~ /^[ \t]*$/) continue
        split(line, parts, "|")
        where[parts[1]] = parts[2]; except[parts[1]] = parts[3]; instead[parts[1]] = parts[4]
    }
    close(banned)
}

BEGIN { read_tables() }

# Comments go, strings and character constants become "" and ''. in_comment carries over to the next line.
function strip(line,    out, at, c, two, quote) {
    out = ""
    for (at = 1; at <= length(line); at++) {
        two = substr(line, at, 2)
        c = substr(line, at, 1)
        if (in_comment) { if (two == "*/") { in_comment = 0; at++ } continue }
        if (two == "/*") { in_comment = 1; at++; out = out " "; continue }
        if (two == "//") break
        if (c == "\"" || c == "'") {
            quote = c
            for (at++; at <= length(line); at++) {
                c = substr(line, at, 1)
                if (c == "\\") at++
                else if (c == quote) break
            }
            out = out quote quote
            continue
        }
        out = out c
    }
    return out
}

function columns(line) { gsub(/[\200-\277]/, "", line); return length(line) }

function finish_file(    name) {
    if (file == "") return
    if (lines > 800) printf "%s:%d: file-length: %d lines, at most 800\n", file, lines, lines
    if (file ~ /\.h$/ && !pragma) printf "%s:1: pragma-once: no #pragma once\n", file
    for (name in test_line)
        if (words[name] < 2)
            printf "%s:%d: test-array: %s is in no array of tests\n", file, test_line[name], name
}

FNR == 1 {
    finish_file()
    file = FILENAME; pragma = 0; in_comment = 0; body_start = 0
    split("", words); split("", test_line)
    module = ""
    for (key in allowed) if (under(file, key) && length(key) > length(module)) module = key
    is_test = starts_with(file, "tests/")
    if (module == "") report(1, "layers", "layers.txt has no module for this file")
    if (file ~ /\.(c|cc)$/ && $0 !~ /^\/[*\/]/) report(1, "head-comment", "the file does not open with a comment")
}

{ lines = FNR; raw = $0; code = strip($0) }

columns(raw) > 100 { report(FNR, "line-length", columns(raw) " columns, at most 100") }
raw ~ /[ \t]$/ { report(FNR, "white-space", "blanks at the end of the line") }
code ~ /\t/ { report(FNR, "white-space", "a tab") }

# A function's brace stands alone in the first column, and so does the one that ends it.
code ~ /^\{[ ]*$/ { body_start = FNR }
code ~ /^\}/ && body_start {
    if (FNR - body_start > 70)
        report(body_start, "function-length", FNR - body_start - 1 " lines, at most 69 between the braces")
    body_start = 0
}

code ~ /^#[ ]*pragma[ ]+once/ { pragma = 1 }
# A name for a pointer to a function is fine, whatever the function returns.
code ~ /(^|[^a-zA-Z0-9_])typedef[ ]+(struct|union|enum)([^a-zA-Z0-9_]|$)/ && code !~ /\(\*/ {
    report(FNR, "typedef", "tags are used without typedef")
}
# C++ is only written to reach libraries, whose tags have other rules.
FILENAME !~ /\.cc$/ && match(code, /(^|[^a-zA-Z0-9_])(struct|union|enum)[ ]+[a-zA-Z0-9_]+[ ]*(\{|;|$)/) {
    tag = substr(code, RSTART, RLENGTH)
    sub(/[ ]*(\{|;)?$/, "", tag); sub(/^.*[ ]/, "", tag)
    if (tag ~ /_t$/) report(FNR, "tag-name", tag " ends in _t")
    if (tag ~ /[A-Z]/ && code ~ /\{/) report(FNR, "tag-name", tag " is not in lower case")
}

match(code, /^static void test_[a-z0-9_]+\(void \*\*/) {
    name = substr(code, 13)
    sub(/\(.*/, "", name)
    test_line[name] = FNR
}

{
    rest = code
    while (match(rest, /[a-zA-Z_][a-zA-Z0-9_]*/)) {
        word = substr(rest, RSTART, RLENGTH)
        before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
        rest = substr(rest, RSTART + RLENGTH)
        words[word]++
        if (word in where && rest ~ /^[ ]*\(/ && before !~ /[.>]/ &&
            (where[word] == "-" || under_any(FILENAME, where[word])) &&
            !(except[word] != "-" && under_any(FILENAME, except[word])))
            report(FNR, "banned", word "(): use " instead[word])
    }
}

raw ~ /^[ ]*#[ ]*include[ ]+"/ && !in_comment {
    target = raw
    sub(/^[^"]*"/, "", target); sub(/".*/, "", target)
    folder = FILENAME; sub(/\/[^\/]*$/, "", folder)
    if (target ~ /\.pb-c\.h$/) target = "*.pb-c.h"
    if (target !~ /[\/*]/) report(FNR, "include", "\"" target "\" is not a path from the root")
    else if (module != "" && allowed[module] !~ /ALL/ && !under(target, module) && !under_any(target, allowed[module]))
        report(FNR, "layers", module " may not include " target)
    if (target ~ /_int\.h$/ && !starts_with(target, folder "/") && !is_test && !under_any(FILENAME, friends[target]))
        report(FNR, "private", target " is for its own folder")
}

raw ~ /^[ ]*#[ ]*include[ ]+</ && !in_comment && !is_test {
    target = raw
    sub(/^[^<]*</, "", target); sub(/>.*/, "", target)
    for (key in users)
        if (starts_with(target, key) && allowed[module] !~ /ALL/ && !under_any(FILENAME, users[key]))
            report(FNR, "layers", "<" target "> is only for:" users[key])
}

END { finish_file() }
