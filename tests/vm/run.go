// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// ErrDown means that the machine went down before the command's end: a panic, or the command's
// doing.
var ErrDown = errors.New("the machine went down before the command ended")

// ErrLimit means that the run's time was up. The kernel's log has where each blocked task waits.
var ErrLimit = errors.New("time limit reached")

// ComplaintError is what the guest's kernel complained about.
type ComplaintError struct{ Lines []string }

func (e *ComplaintError) Error() string {
	return "the guest's kernel complains:\n  " + strings.Join(e.Lines, "\n  ")
}

// Result of a run.
type Result struct {
	Status int           // the command's exit status as a shell has it; 128+n after signal n
	Booted time.Duration // from power-on to the command
	Took   time.Duration // from power-on to power-off
}

// limitGrace is how long the guest gets to wind up after the time limit.
const limitGrace = 30 * time.Second

// run is one machine's life.
type run struct {
	Config
	mark       string
	ports      ports
	emulator   *emulator
	began      time.Time
	result     Result
	complaints complaints
	dump       dump
	console    lastWords
}

// Run boots the machine, runs the command in it and ends it. An exit status other than 0 is no
// error. Errors: ErrNoCache, ErrDown, ErrLimit, *ComplaintError, those of ctx, and the host's own;
// for ErrLimit and *ComplaintError the result is valid, files are brought back as far as possible.
func (c Config) Run(ctx context.Context, argv ...string) (Result, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return Result{}, err
	}
	if len(argv) == 0 {
		return Result{}, errors.New("no command to run in the guest")
	}
	im, err := findImages(c.Kernel)
	if err != nil {
		return Result{}, err
	}
	work, err := os.MkdirTemp("", "zqublkd-vm-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(work)
	for try := 1; ; try++ {
		r := &run{Config: c, mark: newMark(), complaints: complaints{allow: c.Allow}}
		baggage, err := pack(work, r.mark, c, argv)
		if err != nil {
			return Result{}, err
		}
		result, err := r.boot(ctx, im, baggage)
		if try == bootTries || result.Booted != 0 || !errors.Is(err, ErrDown) {
			return result, err
		}
		fmt.Fprintf(c.Stderr, "vm: the kernel died while it booted, before anything of ours ran; trying again. %v\n", firstLine(err))
	}
}

// bootTries is how often a machine is started whose kernel dies before it has
// begun the command: emulated processors now and then trip over the kernel
// patching its own code (an int3 Oops at boot), which says nothing of what is
// to be tested.
const bootTries = 3

func firstLine(err error) string {
	lines := strings.SplitN(err.Error(), "\n", 3)
	return strings.TrimSpace(strings.Join(lines[:min(2, len(lines))], " "))
}

func (r *run) boot(ctx context.Context, im images, baggage string) (Result, error) {
	var err error
	if r.ports, err = openPorts(); err != nil {
		return Result{}, err
	}
	defer r.ports.close()
	r.began = time.Now()
	if r.emulator, err = startEmulator(emulatorArgs(r.Config, im, baggage, ThisHost()), r.ports); err != nil {
		return Result{}, err
	}
	err = r.attend(ctx)
	r.result.Took = time.Since(r.began)
	return r.result, r.verdict(ctx, err)
}

// attend reads all streams to their ends and then stops the machine, which it also does when time
// or the caller's patience is up.
func (r *run) attend(ctx context.Context) error {
	ended := make(chan error, 1)
	consoleEnded := make(chan struct{})
	go func() {
		defer close(consoleEnded)
		io.Copy(&r.console, r.ports.host(portConsole))
	}()
	go func() { ended <- r.readStreams() }()

	limit := time.NewTimer(r.Limit)
	defer limit.Stop()
	var reason error
	select {
	case err := <-ended:
		ended <- err
	case <-ctx.Done():
		reason = context.Cause(ctx)
	case <-limit.C:
		reason = fmt.Errorf("%w: %v", ErrLimit, r.Limit)
		r.windUp(ended)
	}
	r.emulator.stop()
	<-consoleEnded
	return errors.Join(reason, <-ended)
}

// windUp asks the guest for a dump of its tasks and an early end, and gives it some time.
func (r *run) windUp(ended chan error) {
	io.WriteString(r.ports.host(portControl), "limit\n")
	select {
	case err := <-ended:
		ended <- err
	case <-time.After(limitGrace):
	}
}

// readStreams returns when each stream has come to its end or broken off.
func (r *run) readStreams() error {
	readers := []func() error{
		func() error { return r.readOutput(r.Stdout, portStdout) },
		func() error { return r.readOutput(r.Stderr, portStderr) },
		r.readKernel,
		r.readControl,
		func() error { return unpackFiles(r.ports.host(portFiles), r.Out) },
	}
	errs := make(chan error)
	for _, read := range readers {
		go func() { errs <- read() }()
	}
	var all []error
	for range readers {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func (r *run) readOutput(w io.Writer, name string) error {
	out := &drainingWriter{w: w}
	return errors.Join(copyToMark(out, r.ports.host(name), r.mark), out.err)
}

func (r *run) readKernel() error {
	log := &drainingWriter{w: r.KernelLog}
	return errors.Join(readRecords(r.ports.host(portKernel), r.mark, func(record Record) {
		fmt.Fprintln(log, record)
		r.complaints.see(record.Text)
		r.dump.see(record.Text)
	}), log.err)
}

func (r *run) readControl() error {
	words := bufio.NewScanner(r.ports.host(portControl))
	for words.Scan() {
		word, value, _ := strings.Cut(words.Text(), " ")
		switch word {
		case "begin":
			r.result.Booted = time.Since(r.began)
		case "exit":
			var err error
			r.result.Status, err = strconv.Atoi(value)
			return err
		}
	}
	return io.ErrUnexpectedEOF
}
