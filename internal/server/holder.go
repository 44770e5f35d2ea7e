package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zqublkd/ublk"
)

// Holders names who has claimed the block device of a device: mounts in any
// mount namespace, devices on top of it, swap. Empty: nobody. A process that
// merely has the node open is no holder.
func Holders(id uint32) ([]string, error) {
	fd, err := unix.Open(ublk.BlockPath(id), unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case err == nil:
		return nil, unix.Close(fd)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return nil, nil
	case !errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%s: %w", ublk.BlockPath(id), err)
	}
	names := append(mountsOf(id), stackedOn(id)...)
	names = append(names, swapOn(id)...)
	if len(names) == 0 {
		names = []string{"the kernel (exclusively, for example as an nvmet namespace)"}
	}
	return names, nil
}

// mountsOf finds the mounts of the device. mountinfo names the source; file
// systems with a device number of their own show it only there.
func mountsOf(id uint32) []string {
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
			if source == ublk.BlockPath(id) && !seen[point] {
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
	entries, _ := os.ReadDir(ublk.SysPath(id) + "/holders")
	var names []string
	for _, e := range entries {
		names = append(names, "used by /dev/"+e.Name())
	}
	return names
}

func swapOn(id uint32) []string {
	b, _ := os.ReadFile("/proc/swaps")
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 0 && f[0] == ublk.BlockPath(id) {
			return []string{"used as swap"}
		}
	}
	return nil
}
