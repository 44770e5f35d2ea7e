// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrRunDir: others may change what lies in the run directory. Whoever believed
// it would stop devices and write files for them.
var ErrRunDir = errors.New("other users could change what is in it")

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// judgeDir refuses a folder that anybody but root and us can change, or lead
// elsewhere. What does not exist yet is not judged.
func judgeDir(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	at, rest := "/", strings.Split(strings.Trim(abs, "/"), "/")
	for links := 0; ; {
		last := len(rest) == 0 || rest[0] == ""
		st, err := os.Lstat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		closed, err := judgeStep(path, at, st, last)
		switch {
		case err != nil:
			return err
		case closed:
			return nil
		case st.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(at)
			if links++; err != nil || links > maxLinks {
				return fmt.Errorf("run directory %s: %s: %w", path, at, errors.Join(err, unix.ELOOP))
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(at), to)
			}
			at, rest = "/", append(strings.Split(strings.Trim(to, "/"), "/"), rest...)
			continue
		case last:
			return nil
		}
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

// judgeStep judges one folder or link of a path. closed: nobody else reaches
// what is below.
func judgeStep(path, at string, st fs.FileInfo, last bool) (closed bool, err error) {
	owner, mode := st.Sys().(*syscall.Stat_t).Uid, st.Mode()
	bad := func(why string, args ...any) error {
		return fmt.Errorf("run directory %s: %s %s: %w; name another with --run-dir", path, at, fmt.Sprintf(why, args...), ErrRunDir)
	}
	switch {
	case owner != 0 && int(owner) != os.Geteuid():
		return false, bad("belongs to user %d", owner)
	case mode&fs.ModeSymlink != 0:
		return false, nil
	case !mode.IsDir():
		return false, fmt.Errorf("run directory %s: %s: %w", path, at, unix.ENOTDIR)
	case mode&0o022 != 0 && (last || mode&fs.ModeSticky == 0):
		return false, bad("can be written by its group or by all (mode %o)", mode.Perm())
	}
	return mode&0o011 == 0, nil
}

// judgeDevice judges the folder of a device, and the run directory it is in.
func judgeDevice(runDir string, id uint32) error {
	if err := judgeDir(runDir); err != nil {
		return err
	}
	return judgeDir(devicePath(runDir, id))
}

// readRunFile reads a file of the run directory, where there are no links.
func readRunFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

// socketIn is the folder of a device, and the address of its control socket as
// long as that is open: by way of the descriptor, since an address has room for
// 107 bytes of path only.
func socketIn(dir string) (folder *os.File, address string, err error) {
	folder, err = os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, "", err
	}
	return folder, "/proc/self/fd/" + strconv.Itoa(int(folder.Fd())) + "/" + socketName, nil
}
