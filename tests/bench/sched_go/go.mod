module hedgerow/tests/bench/sched_go

go 1.22
