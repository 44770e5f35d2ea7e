// SPDX-License-Identifier: Apache-2.0

package nvmet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeKernel has configfs's rules on a folder of the host: a new folder brings its files along and
// goes only if nothing of it is in use; settings in the wrong order are refused.
type fakeKernel struct {
	root   string
	steps  int
	failAt int   // the step that fails; 0: none does
	err    error // what it fails with
	log    []string
}

func newFake(t *testing.T) (*Target, *fakeKernel) {
	f := &fakeKernel{root: filepath.Join(t.TempDir(), "nvmet"), err: unix.EIO}
	for _, dir := range []string{"subsystems", "ports", "hosts"} {
		if err := os.MkdirAll(filepath.Join(f.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &Target{root: f.root, machine: "machine", load: func(string) error { return nil }, tree: f}, f
}

func (f *fakeKernel) step(what, path, more string) error {
	f.steps++
	rel, _ := filepath.Rel(f.root, path)
	f.log = append(f.log, strings.TrimSpace(what+" "+rel+" "+more))
	if f.steps == f.failAt {
		return &os.PathError{Op: what, Path: path, Err: f.err}
	}
	return nil
}

// words are those of a path below the root.
func (f *fakeKernel) words(path string) []string {
	rel, _ := filepath.Rel(f.root, path)
	return strings.Split(rel, "/")
}

func (f *fakeKernel) mkdir(path string) error {
	if err := f.step("mkdir", path, ""); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	attrs, dirs := map[string]string{}, []string{}
	switch w := f.words(path); {
	case w[0] == "subsystems" && len(w) == 2:
		attrs = map[string]string{"attr_allow_any_host": "0", "attr_serial": "random", "attr_model": "Linux"}
		dirs = []string{"namespaces", "allowed_hosts", "passthru"}
	case w[0] == "subsystems":
		attrs = map[string]string{"device_path": "(null)", "device_uuid": "random", "enable": "0"}
	case w[0] == "ports":
		attrs = map[string]string{"addr_trtype": "", "addr_adrfam": "", "addr_traddr": "", "addr_trsvcid": ""}
		dirs = []string{"subsystems", "referrals"}
	case w[0] == "hosts":
		attrs = map[string]string{"dhchap_key": ""}
	}
	for name, v := range attrs {
		os.WriteFile(filepath.Join(path, name), []byte(v+"\n"), 0o644)
	}
	for _, d := range dirs {
		os.Mkdir(filepath.Join(path, d), 0o755)
	}
	return nil
}

func (f *fakeKernel) rmdir(path string) error {
	if err := f.step("rmdir", path, ""); err != nil {
		return err
	}
	if !exists(path) {
		return unix.ENOENT
	}
	w := f.words(path)
	name := w[len(w)-1]
	var inUse []string
	switch {
	case w[0] == "subsystems" && len(w) == 2:
		for _, pattern := range []string{"subsystems/" + name + "/namespaces/*", "subsystems/" + name + "/allowed_hosts/*", "ports/*/subsystems/" + name} {
			found, _ := filepath.Glob(filepath.Join(f.root, pattern))
			inUse = append(inUse, found...)
		}
	case w[0] == "ports":
		inUse = names(filepath.Join(path, "subsystems"))
	case w[0] == "hosts":
		inUse, _ = filepath.Glob(filepath.Join(f.root, "subsystems/*/allowed_hosts", name))
	}
	if len(inUse) > 0 {
		return unix.EBUSY
	}
	return os.RemoveAll(path)
}

func (f *fakeKernel) write(path, v string) error {
	if err := f.step("write", path, v); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	switch filepath.Base(path) {
	case "attr_allow_any_host":
		if v == "1" && len(names(filepath.Join(dir, "allowed_hosts"))) > 0 {
			return unix.EINVAL
		}
	case "enable":
		if v == "1" && value(filepath.Join(dir, "device_path")) == "(null)" {
			return unix.EINVAL
		}
	case "device_path", "device_uuid":
		if value(filepath.Join(dir, "enable")) == "1" {
			return unix.EBUSY
		}
	}
	if !exists(path) {
		return unix.ENOENT
	}
	return os.WriteFile(path, []byte(v+"\n"), 0o644)
}

func (f *fakeKernel) link(target, path string) error {
	if err := f.step("link", path, ""); err != nil {
		return err
	}
	w := f.words(path)
	if w[0] == "subsystems" && value(filepath.Join(f.root, "subsystems", w[1], "attr_allow_any_host")) == "1" {
		return unix.EINVAL
	}
	if w[0] == "ports" && value(filepath.Join(f.root, "ports", w[1], "addr_trtype")) == "" {
		return unix.EINVAL
	}
	if !exists(target) {
		return unix.ENOENT
	}
	return os.Symlink(target, path)
}

func (f *fakeKernel) unlink(path string) error {
	if err := f.step("unlink", path, ""); err != nil {
		return err
	}
	return os.Remove(path)
}

// state is all that there is, one line each.
func (f *fakeKernel) state() string {
	var lines []string
	filepath.WalkDir(f.root, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(f.root, path)
		if d.Type().IsRegular() {
			rel += "=" + value(path)
		}
		lines = append(lines, rel)
		return err
	})
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// byHand is a target that somebody else has made of a device.
func (f *fakeKernel) byHand(nqn, node, port, address string) {
	must := func(errs ...error) {
		if err := errors.Join(errs...); err != nil {
			panic(fmt.Sprint(nqn, err))
		}
	}
	dir, ns, p := filepath.Join(f.root, "subsystems", nqn), filepath.Join(f.root, "subsystems", nqn, "namespaces/1"), filepath.Join(f.root, "ports", port)
	must(f.mkdir(dir), f.write(dir+"/attr_allow_any_host", "1"), f.mkdir(ns), f.write(ns+"/device_path", node), f.write(ns+"/enable", "1"))
	must(f.mkdir(p), f.write(p+"/addr_trtype", TCP), f.write(p+"/addr_adrfam", "ipv4"), f.write(p+"/addr_traddr", address), f.write(p+"/addr_trsvcid", "4420"))
	must(f.link(dir, p+"/subsystems/"+nqn))
	f.steps, f.log = 0, nil
}
