// SPDX-License-Identifier: Apache-2.0

package imagefile

import (
	"errors"
	"fmt"
	"path/filepath"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// Backing is a file that becomes the backing file of an image to be made. It is
// locked against writers until it is closed.
type Backing struct {
	qcow2.BackingOptions
	Path string
	File *storage.OSFile
}

// OpenBacking opens the file that name leads to from the folder of an image to be
// made. Names found in the file are not followed: nothing of its disk is read.
// recorded is "qcow2", "raw", or empty if the file is to say so.
func OpenBacking(name, recorded, image string) (*Backing, error) {
	t, err := parseName(name, filepath.Dir(image))
	if err != nil {
		return nil, fmt.Errorf("backing file %q: %w", name, err)
	}
	f, err := storage.Open(t.path, storage.Options{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("backing file: %w", err)
	}
	b := &Backing{Path: t.path, File: f, BackingOptions: qcow2.BackingOptions{Name: name}}
	if err := b.judge(recorded, t.format); err != nil {
		return nil, errors.Join(fmt.Errorf("backing file %s: %w", t.path, err), f.Close())
	}
	return b, nil
}

// judge finds out the format of the file and its size or image.
func (b *Backing) judge(recorded, inName string) (err error) {
	if b.Format, err = formatToRecord(b.File, recorded, inName); err != nil {
		return err
	}
	if b.Format == "qcow2" {
		b.Image, err = qcow2.Open(b.File, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
		return err
	}
	size, err := b.File.Size()
	b.Size = uint64(size)
	return err
}

// formatToRecord is that of a backing file. Without a word of the user's only an
// image that names no other file is taken for one: raw bytes may be a guest's, who
// can make them look like an image that names any file.
func formatToRecord(f *storage.OSFile, recorded, inName string) (string, error) {
	if recorded != "" || inName != "" {
		return formatOf(f, recorded, inName)
	}
	h, err := qcow2.ReadHeader(f)
	switch {
	case errors.Is(err, format.ErrNotQcow2):
		return "", fmt.Errorf("%w; if it is raw, say so with -F raw", err)
	case err != nil:
		return "", err
	case h.BackingFile != "" || h.Incompatible&format.IncompatDataFile != 0:
		return "", errors.New("it names other files: say that it is an image with -F qcow2")
	}
	return "qcow2", nil
}

// Close gives the file up.
func (b *Backing) Close() error { return b.File.Close() }
