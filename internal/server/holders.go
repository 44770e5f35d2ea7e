// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zqublkd/internal/nvmet"
	"zqublkd/internal/printable"
	"zqublkd/ublk"
)

// Holders names who has claimed the block device of a device: mounts in any
// mount namespace, devices on top of it, swap, an nvmet namespace, a process
// that has it for itself. Empty: nobody. A process that merely has the node
// open is no holder.
func Holders(id uint32) ([]string, error) {
	names := exportsOf(id) // nvmet claims nothing
	fd, err := unix.Open(ublk.BlockPath(id), unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case err == nil:
		return names, unix.Close(fd)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return names, nil
	case !errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%s: %w", ublk.BlockPath(id), err)
	}
	names = Claims(id)
	if len(names) == 0 {
		names = Openers(id)
	}
	if len(names) == 0 {
		names = []string{"claimed by the kernel"}
	}
	return names, nil
}

// Claims names who is known to have claimed the block device of a device, without
// opening it: whoever only looks must not keep others from claiming it.
func Claims(id uint32) []string {
	return slices.Concat(exportsOf(id), mountsOf(id), stackedOn(id), swapOn(id))
}

// isNode says whether a path is the node of the device or of a partition on it.
func isNode(id uint32, path string) bool {
	rest, ok := strings.CutPrefix(path, ublk.BlockPath(id))
	return ok && (rest == "" || rest[0] == 'p' && strings.Trim(rest[1:], "0123456789") == "")
}

// exportsOf finds enabled nvmet namespaces on the device.
func exportsOf(id uint32) []string {
	var list []string
	for _, e := range nvmet.Exports(nvmet.Root) {
		node, err := filepath.EvalSymlinks(e.Path)
		switch {
		case err != nil || !isNode(id, node):
		case strings.HasPrefix(e.Subsystem, nvmet.Prefix):
			list = append(list, fmt.Sprintf("shared with NVMe hosts, which `zqublkd unshare %d` ends", id))
		default:
			list = append(list, fmt.Sprintf("nvmet namespace %s/%s", e.Subsystem, e.Namespace))
		}
	}
	return list
}

// Openers names the processes that have the node of a device open.
func Openers(id uint32) []string {
	return openersOf(func(path string) bool { return isNode(id, path) })
}

func openersOf(is func(path string) bool) []string {
	seen := map[string]bool{}
	var names []string
	self := strconv.Itoa(os.Getpid()) // may have inherited it
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, l := range links {
		target, err := os.Readlink(l)
		pid := strings.Split(l, "/")[2]
		if err != nil || seen[pid] || pid == self || !is(strings.TrimSuffix(target, " (deleted)")) {
			continue
		}
		seen[pid] = true
		comm, _ := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		names = append(names, fmt.Sprintf("process %s (%s)", pid, printable.Text(strings.TrimSpace(string(comm)))))
	}
	return names
}

// mountsOf finds the mounts of the device. mountinfo names the source; file
// systems with a device number of their own show it only there.
func mountsOf(id uint32) []string {
	return mountsFrom(func(source string) bool { return isNode(id, source) })
}

func mountsFrom(is func(source string) bool) []string {
	seen := map[string]bool{}
	var names []string
	files, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	for _, f := range append([]string{"/proc/self/mountinfo"}, files...) {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the process is gone
		}
		for _, line := range strings.Split(string(b), "\n") {
			point, source := parseMount(line)
			if point != "" && !seen[point] && is(source) {
				seen[point] = true
				names = append(names, "mounted at "+point)
			}
		}
	}
	return names
}

// parseMount takes mount point and source from a line of mountinfo, proc(5).
func parseMount(line string) (point, source string) {
	before, after, ok := strings.Cut(line, " - ")
	f, g := strings.Fields(before), strings.Fields(after)
	if !ok || len(f) < 5 || len(g) < 2 {
		return "", ""
	}
	return f[4], g[1]
}

func stackedOn(id uint32) []string {
	whole, _ := filepath.Glob(ublk.SysPath(id) + "/holders/*")
	parts, _ := filepath.Glob(ublk.SysPath(id) + "/" + filepath.Base(ublk.BlockPath(id)) + "p*/holders/*")
	var names []string
	for _, path := range append(whole, parts...) {
		names = append(names, "used by /dev/"+filepath.Base(path))
	}
	return names
}

func swapOn(id uint32) []string { return swapFrom(func(path string) bool { return isNode(id, path) }) }

func swapFrom(is func(path string) bool) []string {
	b, _ := os.ReadFile("/proc/swaps")
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 0 && is(f[0]) {
			return []string{"used as swap"}
		}
	}
	return nil
}
