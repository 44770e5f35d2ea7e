// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

func TestChooseName(t *testing.T) {
	others := []Record{{Options: Options{Name: "disk.qcow2", Image: "/a/disk.qcow2"}, Node: "/dev/ublkb3"}, {Options: Options{Name: "chosen"}, Node: "/dev/ublkb4"}}
	log := quiet()
	for _, c := range []struct{ name, image, want string }{
		{"", "/b/other.qcow2", "other.qcow2"},
		{"mine", "/b/disk.qcow2", "mine"},
		{"", "/b/disk.qcow2", "disk.qcow2-cb4c7d"},
	} {
		cfg := Config{Options: Options{Name: c.name, Image: c.image}, Log: log}
		if err := cfg.chooseName(others); err != nil || cfg.Name != c.want {
			t.Errorf("%q of %s: %q, %v; want %q", c.name, c.image, cfg.Name, err, c.want)
		}
	}
	cfg := Config{Options: Options{Name: "chosen", Image: "/b/disk.qcow2"}, Log: log}
	if err := cfg.chooseName(others); !errors.Is(err, ErrNameTaken) || !strings.Contains(err.Error(), "/dev/ublkb4") {
		t.Errorf("a name that is taken: %v", err)
	}
}

// Of two daemons that name their devices at the same time one waits until the
// other's record is there.
func TestNamesAreGivenOneByOne(t *testing.T) {
	dir := t.TempDir()
	d := &Device{cfg: Config{Options: Options{Image: filepath.Join(dir, "disk.qcow2"), RunDir: dir}, Log: quiet()}}
	free, err := d.takeName()
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan string)
	go func() {
		e := &Device{cfg: Config{Options: Options{Image: "/other/disk.qcow2", RunDir: dir}, Log: quiet()}}
		free, err := e.takeName()
		if err == nil {
			free()
		}
		second <- e.cfg.Name
	}()
	c, err := lockDevice(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.lock.Close()
	select {
	case name := <-second:
		t.Fatalf("named %q beside the first", name)
	default:
	}
	if err := c.write(Record{Options: Options{Name: d.cfg.Name}}); err != nil {
		t.Fatal(err)
	}
	free()
	if name := <-second; name == d.cfg.Name {
		t.Errorf("both are %q", name)
	}
}
