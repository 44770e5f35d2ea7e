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
	return string(head[at:at+len(boot)]) == string(boot[:]) && binary.NativeEndian.Uint64(head[4080:]) != 0
}

// Frozen says whether the state file at path says that its disk was frozen.
func Frozen(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var word [8]byte
	if _, err := f.ReadAt(word[:], frozenAt); err != nil {
		return false, fmt.Errorf("%s: %w: %w", path, ErrState, err)
	}
	return binary.NativeEndian.Uint64(word[:]) != 0, nil
}

// Freeze makes the state file at path say so.
func Freeze(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var word [8]byte
	binary.NativeEndian.PutUint64(word[:], 1)
	_, err = f.WriteAt(word[:], frozenAt)
	return err
}
