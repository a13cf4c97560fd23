# SPDX-License-Identifier: MIT
"""Fibers in gdb: where each one is, in a live program and in a core file.

    (gdb) source /usr/local/share/hedgerow/hedgerow-sched-gdb.py
    (gdb) hr fibers            a line for each: number, state, reason, name, where started
    (gdb) hr bt 12             the backtrace of fiber 12
    (gdb) hr bt all            of all that wait

A fiber that runs has its thread's backtrace: `hr fibers` says which thread that is.
"""
import gdb

FIBER_IN_USE = 2
FRAMES_COUNT_MAX = 64


def value(expression):
    return gdb.parse_and_eval(expression)


def atomic(field):
    """gdb shows _Atomic as a qualifier; take the bare number."""
    return int(field.cast(gdb.lookup_type("unsigned long")))


def running_threads():
    """The fibers that run, and on which thread."""
    found = {}
    thread = value("sched.threads")
    while int(thread) != 0:
        fiber = atomic(thread["running"])
        if fiber != 0:
            found[fiber] = thread
        thread = thread["all_next"]
    return found


def fibers():
    pool = value("fiber_pool")
    if int(pool["base"]) == 0:
        return
    pointer = gdb.lookup_type("struct hr_fiber").pointer()
    for index in range(int(pool["carved_count"])):
        fiber = (pool["base"] + index * int(pool["object_size"])).cast(pointer)
        if atomic(fiber["flags"]) & FIBER_IN_USE:
            yield fiber.dereference()


def text(pointer):
    return pointer.string() if int(pointer) != 0 else "?"


def is_inlined(block):
    outer = block.superblock
    while outer is not None and outer.function is None:
        if outer.is_static or outer.is_global:
            return False
        outer = outer.superblock
    return outer is not None


def place(address):
    block = gdb.find_pc_line(int(address) - 1)
    function = gdb.block_for_pc(int(address) - 1)
    # What is inlined (the switch) is less telling than the function that it is in.
    while function is not None and (function.function is None or is_inlined(function)):
        function = function.superblock
    name = function.function.name if function is not None else "??"
    where = "%s:%d" % (block.symtab.filename, block.line) if block.symtab else "?"
    return "%s (%s)" % (name, where)


def state(fiber, running):
    reason = atomic(fiber["reason"])
    if int(fiber.address) in running:
        thread = running[int(fiber.address)]
        return "RUNNING on the thread 0x%x" % int(thread["id"])
    if reason != 0:
        word = gdb.Value(reason).cast(gdb.lookup_type("char").pointer())
        return "WAITING " + word.string()
    return "NEW" if int(fiber["stack"]) == 0 else "READY"


class Hr(gdb.Command):
    """Look at fibers: hr fibers, hr bt N, hr bt all."""

    def __init__(self):
        super().__init__("hr", gdb.COMMAND_DATA, prefix=True)


class HrFibers(gdb.Command):
    """A line for each fiber: number, state, name, where it was started."""

    def __init__(self):
        super().__init__("hr fibers", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        running = running_threads()
        count = 0
        for fiber in fibers():
            count += 1
            print("fiber %d  %s  '%s'  born %s" % (int(fiber["index"]), state(fiber, running),
                  text(fiber["name"]), place(fiber["born"])))
        print("%d fibers" % count)


def words(address, count):
    """Read machine words; gdb.MemoryError past the end of what is mapped."""
    long_pointer = gdb.lookup_type("unsigned long").pointer()
    start = gdb.Value(address).cast(long_pointer)
    return [int(start[i]) for i in range(count)]


def backtrace(fiber):
    """By frame pointers, as the runtime's own dump: what is linked in keeps them."""
    sp = int(fiber["sp"])
    top = int(fiber["stack"])
    machine = gdb.selected_inferior().architecture().name()
    # What switch.h leaves on a stack: x86-64 { where to go on, rbp }; aarch64 x29 at 10.
    resume, frame = words(sp, 2) if "x86-64" in machine else reversed(words(sp + 80, 2))
    if resume == 0:
        raise gdb.MemoryError("not in the core file")
    yield resume
    for _ in range(FRAMES_COUNT_MAX):
        if not sp < frame < top - 16 or frame % 8 != 0:
            return
        following, address = words(frame, 2)
        if address == 0:
            return
        yield address
        sp, frame = frame, following


class HrBt(gdb.Command):
    """The backtrace of fiber N, or of all that wait."""

    def __init__(self):
        super().__init__("hr bt", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        wanted = argument.strip()
        if wanted != "all" and not wanted.isdigit():
            raise gdb.GdbError("hr bt N, or hr bt all")
        running = running_threads()
        for fiber in fibers():
            if wanted not in ("all", str(int(fiber["index"]))):
                continue
            print("fiber %d  %s  '%s'" % (int(fiber["index"]), state(fiber, running),
                  text(fiber["name"])))
            if int(fiber.address) in running or int(fiber["stack"]) == 0:
                continue
            try:
                for number, address in enumerate(backtrace(fiber)):
                    print("#%-2d 0x%x in %s" % (number, address, place(address)))
            except gdb.MemoryError:
                print("    its stack is not in the core file (gdb's own gcore stops at guards)")


Hr()
HrFibers()
HrBt()
