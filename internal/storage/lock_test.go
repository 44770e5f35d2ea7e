// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/needs"
)

const (
	holdPath = "STORAGE_TEST_HOLD"
	holdMode = "STORAGE_TEST_MODE"
)

// TestMain doubles as the other process of the lock tests.
func TestMain(m *testing.M) {
	path := os.Getenv(holdPath)
	if path == "" {
		os.Exit(m.Run())
	}
	f, err := Open(path, Options{ReadOnly: os.Getenv(holdMode) == "reader"})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("holding")
	io.Copy(io.Discard, os.Stdin)
	f.Close()
}

// hold opens path in another process until the test or the returned function
// ends it.
func hold(t *testing.T, path, mode string) (pid int, release func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", holdPath+"="+path, holdMode+"="+mode)
	return startHolder(t, cmd, "holding")
}

func startHolder(t *testing.T, cmd *exec.Cmd, ready string) (pid int, release func()) {
	t.Helper()
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { in.Close(); cmd.Wait() })
	t.Cleanup(release)
	lines := bufio.NewReader(out)
	io.WriteString(in, "length\n")
	line, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(line, ready) {
		t.Fatalf("holder says %q, %v", line, err)
	}
	go io.Copy(io.Discard, lines)
	return cmd.Process.Pid, release
}

func imagePath(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLockBetweenProcesses(t *testing.T) {
	cases := []struct {
		holder, we string
		conflict   bool
	}{
		{"writer", "writer", true},
		{"writer", "reader", true},
		{"reader", "writer", true},
		{"reader", "reader", false},
		{"writer", "unlocked reader", false},
	}
	for _, c := range cases {
		t.Run(c.holder+" and "+c.we, func(t *testing.T) {
			path := imagePath(t)
			pid, release := hold(t, path, c.holder)
			o := Options{ReadOnly: c.we != "writer", NoLock: c.we == "unlocked reader"}
			checkConflict(t, path, o, c.conflict, pid)
			release()
			checkConflict(t, path, o, false, 0)
		})
	}
}

func checkConflict(t *testing.T, path string, o Options, conflict bool, pid int) {
	t.Helper()
	f, err := Open(path, o)
	if !conflict {
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		return
	}
	var inUse *InUseError
	if !errors.As(err, &inUse) || !errors.Is(err, ErrInUse) {
		t.Fatalf("Open = %v; want an *InUseError", err)
	}
	if inUse.PID != pid || inUse.Holder == "" || !strings.Contains(err.Error(), fmt.Sprint(pid)) {
		t.Errorf("%v; want process %d named", err, pid)
	}
}

// TestLockAgainstQEMU checks the lock bytes against a real user of them.
func TestLockAgainstQEMU(t *testing.T) {
	const qemu = "qemu-io"
	needs.Programs(t, "qemu-utils", qemu)
	cases := []struct {
		format, mode   string
		writer, reader bool // conflict with ours
	}{
		{"qcow2", "writer", true, true},
		{"qcow2", "reader", true, false},
		{"raw", "writer", true, true},
		{"raw", "reader", false, false}, // QEMU's raw readers bear writers
	}
	for _, c := range cases {
		t.Run(c.format+" "+c.mode, func(t *testing.T) {
			path := imagePath(t)
			pid, release := holdByQEMU(t, qemu, path, c.format, c.mode)
			checkConflict(t, path, Options{}, c.writer, pid)
			checkConflict(t, path, Options{ReadOnly: true}, c.reader, pid)
			release()
			checkQEMURefuses(t, qemu, path, c.format)
		})
	}
}

func holdByQEMU(t *testing.T, qemu, path, format, mode string) (pid int, release func()) {
	t.Helper()
	if out, err := exec.Command("qemu-img", "create", "-f", format, path, "1M").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	args := []string{"-f", format, path}
	if mode == "reader" {
		args = append(args, "-r")
	}
	return startHolder(t, exec.Command(qemu, args...), "1 MiB")
}

func checkQEMURefuses(t *testing.T, qemu, path, format string) {
	t.Helper()
	f, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out, err := exec.Command(qemu, "-f", format, path, "-c", "read 0 512").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "lock") {
		t.Errorf("QEMU opens our image: %v, %s", err, out)
	}
}

// TestLockLastsWithDirectDescriptor: whoever still transfers on either
// descriptor keeps successors out.
func TestLockLastsWithDirectDescriptor(t *testing.T) {
	path := imagePath(t)
	f, err := Open(path, Options{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.DirectFd() < 0 {
		// The lock of the second descriptor doesn't depend on O_DIRECT.
		if f.direct, err = openFd(path, unix.O_RDWR); err != nil {
			t.Fatal(err)
		}
		if err := f.adopt(f.direct, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	unix.Close(f.fd)
	f.fd = -1
	checkConflict(t, path, Options{}, true, os.Getpid())
	f.Close()
	checkConflict(t, path, Options{}, false, 0)
}

// TestLockEndsWithClose closes a file that something still refers to, as a ring does
// for a while.
func TestLockEndsWithClose(t *testing.T) {
	path := imagePath(t)
	f, err := Open(path, Options{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range []int{f.Fd(), f.DirectFd()} {
		if fd < 0 {
			continue
		}
		other, err := unix.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(other)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	g, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
}

func TestLockHasOneWinner(t *testing.T) {
	path := imagePath(t)
	for range 5 {
		var won atomic.Int32
		var wg sync.WaitGroup
		files := make(chan *OSFile, 4)
		for range cap(files) {
			wg.Go(func() {
				if f, err := Open(path, Options{}); err == nil {
					won.Add(1)
					files <- f
				}
			})
		}
		wg.Wait()
		close(files)
		for f := range files {
			f.Close()
		}
		if won.Load() != 1 {
			t.Errorf("%d writers at once, want 1", won.Load())
		}
	}
}

func TestNoLockIsForReaders(t *testing.T) {
	if _, err := Open(imagePath(t), Options{NoLock: true}); err == nil {
		t.Error("unlocked writer accepted")
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add("lock:\t1: OFDLCK  ADVISORY  READ -1 fe:00:1234 100 101")
	f.Add("lock:\t1: POSIX  ADVISORY  WRITE 77 00:2e:9 0 EOF")
	f.Add("pos:\t0")
	f.Fuzz(func(t *testing.T, line string) {
		if l, ok := parseLock(line); ok && !strings.Contains(line, "lock:") {
			t.Errorf("%q gives %+v", line, l)
		}
	})
}

func TestParseLock(t *testing.T) {
	got, ok := parseLock("lock:\t1: OFDLCK  ADVISORY  READ -1 fe:00:1234 100 101")
	if want := (heldLock{1234, 100, 101}); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	got, ok = parseLock("lock:\t1: POSIX  ADVISORY  WRITE 77 00:2e:9 0 EOF")
	if want := (heldLock{9, 0, 1<<63 - 1}); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	for _, line := range []string{"", "pos: 0", "lock: 1: OFDLCK ADVISORY READ -1 x 1 2", "lock: 1: A B C D 1:2:3 x EOF"} {
		if l, ok := parseLock(line); ok {
			t.Errorf("%q gives %+v", line, l)
		}
	}
}
