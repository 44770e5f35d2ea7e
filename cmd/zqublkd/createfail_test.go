package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// limitFiles makes files of more than n bytes fail until the test ends.
func limitFiles(t *testing.T, n uint64) {
	t.Helper()
	signal.Ignore(unix.SIGXFSZ)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := unix.Rlimit{Cur: n, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
		signal.Reset(unix.SIGXFSZ)
	})
}

// A create that finds no room removes what it began, so that the next one is not
// told that there is an image already.
func TestC10_CreateLeavesNoStub(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk.qcow2")
	t.Run("no room", func(t *testing.T) {
		limitFiles(t, 4096)
		if out, err := run("create", "-o", "size=64M", image); !errors.Is(err, unix.EFBIG) {
			t.Fatalf("%v: %s", err, out)
		}
		if _, err := os.Stat(image); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("something is left: %v", err)
		}
	})
	mustRun(t, "create", "-o", "size=64M", image)
	mustRun(t, "check", image)
	t.Run("in place of another", func(t *testing.T) {
		limitFiles(t, 4096)
		if out, err := run("create", "-o", "size=128M", "--force", image); !errors.Is(err, unix.EFBIG) {
			t.Fatalf("%v: %s", err, out)
		}
	})
	mustRun(t, "check", image)
}

// The limit on the size of files is an error that is told, and not the end of the
// program by a signal.
func TestC10_FileSizeLimit(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk.qcow2")
	out, err := exec.Command("sh", "-c", `ulimit -f 8; exec "$0" create -o size=64M "$1"`, os.Args[0], image).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "file too large") {
		t.Errorf("%v: %s", err, out)
	}
}
