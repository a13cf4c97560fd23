module hedgerow/tests/bench/jobs_go

go 1.21
