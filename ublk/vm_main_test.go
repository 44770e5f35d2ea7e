// SPDX-License-Identifier: Apache-2.0

//go:build vm

package ublk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests with this build tag need root and the driver, so they run in a test VM, with each
// kernel:
//
//	CGO_ENABLED=0 go test -c -tags vm -o ublk.test ./ublk
//	tests/vm/run --kernel 6.12 --file ublk.test \
//		sh -c 'modprobe ublk_drv && cd /tmp && ublk.test -test.v'
//
// The binary plays three parts, chosen by environment: the tests, the process that issues
// START_DEV, and a server that is killed or asked to leave.
const (
	envStart = "UBLK_VM_START" // "id pid"
	envServe = "UBLK_VM_SERVE" // "id queues mode"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envStart) != "":
		exit(startPart(os.Getenv(envStart)))
	case os.Getenv(envServe) != "":
		exit(servePart(os.Getenv(envServe)))
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// startPart issues START_DEV.
func startPart(arg string) error {
	var id uint32
	var pid int
	if _, err := fmt.Sscan(arg, &id, &pid); err != nil {
		return err
	}
	c, err := OpenControl()
	if err != nil {
		return err
	}
	defer c.Close()
	return c.StartDevice(id, pid)
}

// starter is the command that starts device id, served by pid.
func starter(id uint32, pid int) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", envStart, id, pid))
	return cmd
}

// servePart serves device id until it is killed or stopped. Mode "report" never answers a zone
// report, "recover" makes a device that outlives its server. It leaves the device at SIGTERM.
func servePart(arg string) error {
	var id int32
	var queues uint16
	var mode string
	if _, err := fmt.Sscan(arg, &id, &queues, &mode); err != nil {
		return err
	}
	c, err := OpenControl()
	if err != nil {
		return err
	}
	o := rigOptions{id: id, queues: queues, deafToReports: mode == "report"}
	if mode == "recover" {
		o.optional = FeatureRecovery | FeatureRecoveryReissue | FeatureQuiesce
	}
	r, err := newRig(c, o)
	if err != nil {
		return err
	}
	leave := make(chan os.Signal, 1)
	signal.Notify(leave, unix.SIGTERM)
	go func() { <-leave; r.dev.Quit() }()
	fmt.Println(r.info.ID)
	r.wg.Wait()
	return errors.Join(append(r.errs, r.dev.Close())...)
}

// killable starts this binary as a server of its own and returns it once its queues fetch.
func killable(t *testing.T, queues int, mode string) (*exec.Cmd, uint32) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=-1 %d %s", envServe, queues, mode))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var id uint32
	_, err = fmt.Fscan(out, &id)
	must(t, err)
	return cmd, id
}

// run runs a command of the guest and returns what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// attr checks an attribute of the disk in sysfs.
func attr(t testing.TB, id uint32, name, want string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(SysPath(id), "queue", name))
	must(t, err)
	if got := strings.TrimSpace(string(b)); got != want {
		t.Errorf("queue/%s = %q, want %q", name, got, want)
	}
}

func itoa[T ~uint16 | ~uint32 | ~uint64 | ~int](n T) string { return strconv.FormatUint(uint64(n), 10) }

// within fails the test if f takes longer than d.
func within(t *testing.T, what string, d time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > d {
		t.Errorf("%s took %v, more than %v", what, took, d)
	}
}
