# Short names for what ./test does.

default:
    @just --list

check:
    ./test quick

test:
    ./test

crash rounds="50":
    ./test crash {{rounds}}

sim seeds="500":
    ./test sim {{seeds}}

bench:
    cargo run --release -- bench chain
