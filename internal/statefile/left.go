// SPDX-License-Identifier: Apache-2.0

package statefile

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// BootID is the kernel's id of this boot.
func BootID() (id [16]byte, err error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id, err
	}
	n, err := hex.Decode(id[:], []byte(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", "")))
	if err == nil && n != len(id) {
		err = fmt.Errorf("boot id of %d bytes", n)
	}
	return id, err
}

// Left reports whether at path is a state file of this boot whose state
// nobody has gone on with.
func Left(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [stateHeader]byte
	boot, err := BootID()
	if _, readErr := f.ReadAt(head[:], 0); err != nil || readErr != nil {
		return false
	}
	at := len(Shape{}.header()) - len(boot)
	return string(head[at:at+len(boot)]) == string(boot[:]) && binary.NativeEndian.Uint64(head[filledAt:]) != 0
}

// Marks are what a daemon that is gone has left in the header of a state file.
type Marks struct {
	Frozen  bool // the image could not be made durable
	Barrier bool // a barrier was under way, or has failed
	Rested  bool // handed over, with everything acknowledged durable
}

// ReadMarks reads those of the state file at path.
func ReadMarks(path string) (m Marks, err error) {
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer f.Close()
	var head [stateHeader]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return m, fmt.Errorf("%s: %w: %w", path, ErrState, err)
	}
	set := func(at int) bool { return binary.NativeEndian.Uint64(head[at:]) != 0 }
	return Marks{Frozen: set(frozenAt), Barrier: set(barrierAt), Rested: set(restedAt)}, nil
}

// Freeze makes the state file at path say that its disk was frozen.
func Freeze(path string) error { return mark(path, frozenAt, 1) }

// Disturb makes it say no more that its daemon has handed over: the next one is
// about to write.
func Disturb(path string) error { return mark(path, restedAt, 0) }

func mark(path string, at int64, value uint64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var word [8]byte
	binary.NativeEndian.PutUint64(word[:], value)
	_, err = f.WriteAt(word[:], at)
	return err
}
