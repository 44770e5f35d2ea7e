// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
)

const testZone = 1 << 20 // bytes

// small is an image of 8 zones, the first one conventional.
func small() qcow2.CreateOptions {
	return qcow2.CreateOptions{Size: 8 * testZone, Zone: &qcow2.ZoneOptions{
		Size: testZone, Capacity: 768 << 10, Conventional: 1, MaxOpen: 3, MaxActive: 4,
	}}
}

func newImage(t testing.TB, o qcow2.CreateOptions) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	f, err := storage.Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := qcow2.Create(f, o); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// pattern is n bytes that tell their seed.
func pattern(seed uint64, n int) []byte { return bytes.Repeat([]byte{byte(seed), 0x5a}, n/2) }

func silent() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

func must(t testing.TB, what string, errno unix.Errno) {
	t.Helper()
	if errno != 0 {
		t.Fatalf("%s: %v", what, errno)
	}
}

// checkImage runs our own check on an image that must be clean.
func checkImage(t testing.TB, path string) {
	t.Helper()
	f, err := storage.Open(path, storage.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := check.Check(f, check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.ExitCode() != 0 {
		var text strings.Builder
		r.WriteText(&text)
		t.Fatalf("check of %s:\n%s", path, text.String())
	}
}
