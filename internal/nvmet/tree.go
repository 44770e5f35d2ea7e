// SPDX-License-Identifier: Apache-2.0

package nvmet

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// tree is what changes the kernel's configuration.
type tree interface {
	mkdir(path string) error
	rmdir(path string) error
	write(path, value string) error
	link(target, path string) error
	unlink(path string) error
}

// files is the tree of the running kernel.
type files struct{}

func (files) mkdir(path string) error        { return os.Mkdir(path, 0o755) }
func (files) rmdir(path string) error        { return os.Remove(path) }
func (files) link(target, path string) error { return os.Symlink(target, path) }
func (files) unlink(path string) error       { return os.Remove(path) }

// write is one write to a file that must be there.
func (files) write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// value reads a setting; "" if there is none.
func value(path string) string {
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

// names lists a folder, sorted; nothing if there is none.
func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	sort.Strings(list)
	return list
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Export is an enabled namespace of the target, whoever made it.
type Export struct{ Subsystem, Namespace, Path string }

// Exports lists the enabled namespaces that a root folder has.
func Exports(root string) []Export {
	var list []Export
	enabled, _ := filepath.Glob(filepath.Join(root, "subsystems/*/namespaces/*/enable"))
	for _, f := range enabled {
		dir := filepath.Dir(f)
		if value(f) == "1" {
			list = append(list, Export{filepath.Base(filepath.Dir(filepath.Dir(dir))), filepath.Base(dir),
				value(filepath.Join(dir, "device_path"))})
		}
	}
	return list
}
