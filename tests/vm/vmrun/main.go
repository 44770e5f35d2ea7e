// SPDX-License-Identifier: Apache-2.0

// Command vmrun runs a command in a test machine; see package vm and tests/vm/README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"zqublkd/tests/vm"
)

// Exit statuses of vmrun's own; any other is the guest command's.
const (
	exitComplaint = 123 // the guest's kernel complained
	exitLimit     = 124 // the time limit was reached
	exitFailed    = 125 // the machine could not be run, or went down
)

func main() {
	os.Exit(run())
}

func run() int {
	o, err := parse(os.Args[1:])
	if err != nil {
		return fail(exitFailed, err)
	}
	if o.accel {
		fmt.Println(vm.ThisHost())
		return 0
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	result, err := o.config.Run(ctx, o.argv...)
	if o.times {
		fmt.Fprintf(os.Stderr, "vmrun: command after %.1f s, power off after %.1f s\n", result.Booted.Seconds(), result.Took.Seconds())
	}
	return judge(result, err)
}

func judge(result vm.Result, err error) int {
	var complaint *vm.ComplaintError
	switch {
	case err == nil:
		return result.Status
	case errors.As(err, &complaint):
		return fail(exitComplaint, fmt.Errorf("command's status %d, but %w", result.Status, err))
	case errors.Is(err, vm.ErrLimit):
		return fail(exitLimit, err)
	}
	return fail(exitFailed, err)
}

func fail(status int, err error) int {
	fmt.Fprintln(os.Stderr, "vmrun:", err)
	return status
}
