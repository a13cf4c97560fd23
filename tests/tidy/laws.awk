# SPDX-License-Identifier: MIT
#
# The law of the house, line by line.  Run by tests/tidy/laws.sh from the root of the tree:
# awk -f laws.awk FILE...  Each breach is one line "FILE:LINE: rule: what to do instead".
# Written for mawk: what a bare Debian has.

function breach(rule, text) {
    printf "%s:%d: %s: %s\n", FILENAME, FNR, rule, text
    breaches++
}

function breach_at(file, line, rule, text) {
    printf "%s:%d: %s: %s\n", file, line, rule, text
    breaches++
}

BEGIN {
    # What a room may include, beside itself.  tests/ may include anything.
    sees["common/pure"] = ""
    sees["common/sys"] = "common/pure"
    sees["common/edge"] = "common/pure common/sys"
    sees["proto"] = "common/pure"
    sees["coordinator/core"] = "common/pure"
    sees["coordinator/sim"] = "common/pure coordinator/core"
    sees["coordinator/http"] = "common/pure common/sys common/edge coordinator/core"
    sees["coordinator/link"] = "common/pure common/sys common/edge proto"
    sees["coordinator/store"] = "common/pure common/sys common/edge coordinator/core"
    sees["coordinator/ui"] = "common/pure"
    sees["coordinator/client"] = "common/pure common/sys common/edge"
    sees["coordinator/cli"] = "common/pure common/sys common/edge coordinator/client"
    sees["coordinator"] = "common/pure common/sys common/edge proto coordinator/core " \
        "coordinator/http coordinator/link coordinator/store coordinator/ui"
    sees["worker/sched"] = "common/pure common/sys"
    sees["worker/sdk/hedgerow"] = ""
    sees["worker/handlers"] = "common/pure common/sys common/edge worker/sched " \
        "worker/sdk/hedgerow"
    sees["worker"] = "common/pure common/sys common/edge proto worker/sched " \
        "worker/handlers worker/sdk/hedgerow"

    # Headers of the C library and the kernel: every other <header> is a third party's.
    split("alloca.h argp.h arpa/inet.h assert.h byteswap.h complex.h ctype.h dirent.h " \
        "dlfcn.h elf.h endian.h err.h errno.h execinfo.h fcntl.h fenv.h float.h fnmatch.h " \
        "getopt.h glob.h grp.h ifaddrs.h inttypes.h iso646.h langinfo.h libgen.h limits.h " \
        "link.h locale.h malloc.h math.h mqueue.h net/if.h netdb.h netinet/in.h netinet/ip.h " \
        "netinet/tcp.h poll.h pthread.h pwd.h regex.h resolv.h sched.h semaphore.h setjmp.h " \
        "signal.h spawn.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h " \
        "stdio.h stdlib.h stdnoreturn.h string.h strings.h syscall.h sysexits.h syslog.h " \
        "termios.h tgmath.h threads.h time.h ucontext.h unistd.h utime.h wchar.h wctype.h " \
        "wordexp.h immintrin.h x86intrin.h cpuid.h", system_list, " ")
    for (i in system_list) {
        is_system[system_list[i]] = 1
    }

    instead["strcpy"] = "snprintf, or memcpy with a size"
    instead["strcat"] = "snprintf"
    instead["sprintf"] = "snprintf"
    instead["vsprintf"] = "vsnprintf"
    instead["gets"] = "fgets"
    instead["atoi"] = "strtol, with its errors looked at"
    instead["atol"] = "strtol, with its errors looked at"
    instead["atof"] = "strtod, with its errors looked at"
    instead["strtok"] = "strcspn"
    instead["alloca"] = "a bounded array"
    instead["rand"] = "common/pure/rng.h"
    instead["srand"] = "common/pure/rng.h"
    instead["random"] = "common/pure/rng.h"
    instead["drand48"] = "common/pure/rng.h"
    instead["time"] = "clock_now() or clock_unix_ms()"
    instead["gettimeofday"] = "clock_now() or clock_unix_ms()"
    instead["localtime"] = "gmtime_r"
    instead["gmtime"] = "gmtime_r"
    instead["usleep"] = "a timer, or an event to wait for"
    instead["system"] = "posix_spawn"
    instead["popen"] = "posix_spawn"
    instead["gethostbyname"] = "getaddrinfo"
    # Only in tests: a test waits for an event.
    instead_in_tests["sleep"] = "waiting for the event, with a deadline"
    instead_in_tests["nanosleep"] = "waiting for the event, with a deadline"
    instead_in_tests["clock_nanosleep"] = "waiting for the event, with a deadline"

    line_max = 96
    function_max = 60
    file_max = 600
    parameters_max = 5
}

# ---- a new file ----

FNR == 1 {
    end_file()
    file = FILENAME
    room = FILENAME
    sub(/\/[^\/]*$/, "", room)
    if (room == FILENAME) {
        room = "."
    }
    is_c = FILENAME ~ /\.[ch]$/
    is_test = FILENAME ~ /^tests\//
    is_tidy = FILENAME ~ /^tests\/tidy\//
    is_bench = FILENAME ~ /^tests\/(bench|examples)\// || FILENAME ~ /^worker\/sched\/bench/
    in_comment = 0
    in_function = 0
    name = ""
    head = ""
    spdx = 0
}

FNR <= 2 && /SPDX-License-Identifier: MIT/ { spdx = 1 }
{ lines = FNR }

function end_file() {
    if (file == "") {
        return
    }
    if (!spdx && file !~ /\.(md|json|[0-9])$/) {
        breach_at(file, 1, "spdx", "the first lines say SPDX-License-Identifier: MIT")
    }
    if (is_c && lines > file_max) {
        breach_at(file, lines, "file-size", lines " lines are more than " file_max ": split it")
    }
}

# ---- every text file ----

!is_tidy && /(^|[^A-Za-z])(TODO|FIXME|XXX)([^A-Za-z]|$)/ {
    breach("unfinished", "finish it, or file an issue")
}

!is_tidy && /(^|[^A-Za-z0-9_.*}])\/(home|root|work)\// {
    breach("path", "names a place of one machine")
}

FILENAME ~ /(\.([chS]|sh|awk|cmake|proto|yml|yaml)|\/(run|setup|quickstart))$/ {
    text = $0
    gsub(/[\200-\277]/, "", text) # of UTF-8, count characters
    if (length(text) > line_max) {
        breach("line-size", length(text) " columns are more than " line_max)
    }
    if ($0 ~ /[ \t]$/) {
        breach("blank", "white space at the end of the line")
    }
}

# ---- C: what is left of the line without strings and comments ----

function strip(text,    out, at, letter) {
    out = ""
    while (text != "") {
        if (in_comment) {
            at = index(text, "*/")
            if (at == 0) {
                return out
            }
            text = substr(text, at + 2)
            in_comment = 0
            continue
        }
        if (!match(text, /["']|\/\*|\/\//)) {
            return out text
        }
        out = out substr(text, 1, RSTART - 1)
        letter = substr(text, RSTART, RLENGTH)
        text = substr(text, RSTART + RLENGTH)
        if (letter == "//") {
            return out
        }
        if (letter == "/*") {
            in_comment = 1
            continue
        }
        out = out letter letter
        text = after_quote(text, letter)
    }
    return out
}

# The rest of the line behind the closing quote.
function after_quote(text, quote,    i, one) {
    for (i = 1; i <= length(text); i++) {
        one = substr(text, i, 1)
        if (one == "\\") {
            i++
        } else if (one == quote) {
            return substr(text, i + 1)
        }
    }
    return ""
}

function may_see(room, other,    list, i, n) {
    if (is_test || room == other) {
        return 1
    }
    n = split(sees[room], list, " ")
    for (i = 1; i <= n; i++) {
        if (list[i] == other) {
            return 1
        }
    }
    return 0
}

function check_include(line,    header, other) {
    header = line
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", header)
    if (header ~ /^"/) {
        header = substr(header, 2)
        sub(/".*/, "", header)
        if (header !~ /\//) {
            breach("include-root", "write \"" header "\" from the root of the tree")
            return
        }
        if (header == "proto/hedgerow.pb-c.h") {
            third_party(header)
        }
        other = header
        sub(/\/[^\/]*$/, "", other)
        if (!(room in sees) && !is_test) {
            breach("room", "the room " room " has no law: add it to tests/tidy/laws.awk")
        } else if (!may_see(room, other)) {
            breach("room", room " may not see " other)
        }
        return
    }
    header = substr(header, 2)
    sub(/>.*/, "", header)
    if (!(header in is_system) && header !~ /^(sys|linux|asm|bits)\// &&
        header !~ /^sanitizer\//) {
        third_party(header)
    }
}

# One .c file meets a library's header; the tests may look for themselves.
function third_party(header) {
    if (is_test) {
        return
    }
    if (FILENAME ~ /\.h$/) {
        breach("library", "<" header "> in a header reaches everyone: wrap it in one .c file")
    } else if (header in library_user) {
        breach("library", "<" header "> is met by " library_user[header] ": use its header")
    } else {
        library_user[header] = FILENAME
    }
}

function check_calls(code,    rest, word) {
    rest = code
    while (match(rest, /[A-Za-z_][A-Za-z_0-9]*[ ]*\(/)) {
        word = substr(rest, RSTART, RLENGTH - 1)
        sub(/ +$/, "", word)
        before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
        rest = substr(rest, RSTART + RLENGTH)
        if (before == "." || before == ">") {
            continue # a member of the same name
        }
        if (word in instead) {
            breach("banned", word "(): use " instead[word])
        } else if (is_test && !is_bench && word in instead_in_tests) {
            breach("banned", word "() in a test: use " instead_in_tests[word])
        }
        if (word == "clock_gettime" && room !~ /^(common\/sys|worker\/sched)$/ && !is_test) {
            breach("clock", "clock_gettime(): pure rooms are given now; shells ask clock_now()")
        }
        if (word ~ /^(malloc|calloc|realloc|strdup|strndup|aligned_alloc|posix_memalign)$/ &&
            room == "coordinator/core" && name !~ /_(new|init)$|^allocate$/) {
            breach("malloc", word "() in " name "(): the core allocates in _new, _init and " \
                "allocate() only")
        }
    }
}

is_c {
    code = strip($0)
    if (code ~ /^[ \t]*#[ \t]*include/) {
        check_include($0) # strip() has emptied the quotes
        next
    }
    if (code ~ /(^|[^A-Za-z0-9_])(thread_local|__thread|_Thread_local)([^A-Za-z0-9_]|$)/ &&
        room !~ /^(common\/sys|worker\/sched)$/ && !is_test) {
        breach("thread-local", "a fiber may move: keep it in common/sys or worker/sched")
    }
    check_calls(code)
    check_function(code)
}

# The format puts a function's name at the start of a line and its braces alone on theirs.
function check_function(code,    parameters, n) {
    if (in_function) {
        if (code ~ /^}/) {
            n = FNR - function_line + 1
            if (n > function_max) {
                breach_at(FILENAME, function_line, "function-size",
                    name "(): " n " lines are more than " function_max)
            }
            in_function = 0
            name = ""
            head = ""
        }
        return
    }
    if (code ~ /^[A-Za-z_][A-Za-z_0-9 *]*\(/ && code !~ /^(typedef|struct|enum|union) /) {
        name = code
        sub(/[ ]*\(.*/, "", name)
        sub(/.*[ *]/, "", name)
        head = ""
        function_line = FNR
    }
    if (name != "") {
        head = head " " code
    }
    if (code ~ /^{/ && name != "") {
        in_function = 1
        parameters = head
        sub(/^[^(]*\(/, "", parameters)
        n = count_parameters(parameters)
        if (n > parameters_max) {
            breach_at(FILENAME, function_line, "parameters",
                name "(): " n " parameters are more than " parameters_max ": use a struct")
        }
    } else if (code ~ /;[ \t]*$/) {
        name = ""
        head = ""
    }
}

# Commas outside of inner parentheses, up to the one that closes the list.
function count_parameters(text,    i, one, depth, n) {
    n = 1
    depth = 0
    for (i = 1; i <= length(text); i++) {
        one = substr(text, i, 1)
        if (one == "(") {
            depth++
        } else if (one == ")") {
            if (depth == 0) {
                return n
            }
            depth--
        } else if (one == "," && depth == 0) {
            n++
        }
    }
    return n
}

END {
    end_file()
    exit breaches > 0
}
