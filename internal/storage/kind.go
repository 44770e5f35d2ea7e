// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// kind is what a path leads to, as the S_IFMT bits of its mode.
type kind uint32

func (k kind) usable() bool { return k == unix.S_IFREG || k == unix.S_IFBLK }

func (k kind) String() string {
	switch k {
	case unix.S_IFREG:
		return "regular file"
	case unix.S_IFBLK:
		return "block device"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFCHR:
		return "character device"
	case unix.S_IFIFO:
		return "pipe"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "file of an unknown kind"
}

// FileTypeError says what a path is when it can't hold an image.
// errors.Is finds ErrFileType.
type FileTypeError struct {
	Path string
	Kind string
}

func (e *FileTypeError) Error() string {
	return fmt.Sprintf("%s is a %s; an image lives in a regular file or on a block device", e.Path, e.Kind)
}

func (e *FileTypeError) Is(target error) bool { return target == ErrFileType }

// kindOf turns a mode into a usable kind or a *FileTypeError.
func kindOf(path string, mode uint32) (kind, error) {
	k := kind(mode & unix.S_IFMT)
	if !k.usable() {
		return 0, &FileTypeError{Path: path, Kind: k.String()}
	}
	return k, nil
}

// statKind looks before anything is opened: opening a pipe can wait for ever
// and opening a character device can do things.
func statKind(path string) (kind, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Stat(path, &st) }); err != nil {
		return 0, err
	}
	return kindOf(path, st.Mode)
}

// fdKind looks again at what was really opened.
func fdKind(path string, fd int) (kind, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return 0, err
	}
	return kindOf(path, st.Mode)
}
