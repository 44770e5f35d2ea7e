package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
)

// addShare is the flag of verbs that only look: -U as qemu-img has it.
func addShare(c *cobra.Command, share *bool) {
	c.Flags().BoolVarP(share, "force-share", "U", false, "look at an image that is being served; what it shows may be behind")
}

// openImage opens an image to look at it, also one the kernel could not take.
// The caller closes the file.
func openImage(path string, share bool) (*qcow2.Image, storage.File, error) {
	f, err := storage.Open(path, storage.Options{ReadOnly: true, NoLock: share})
	if errors.Is(err, storage.ErrInUse) {
		return nil, nil, fmt.Errorf("%w; -U looks at it all the same", err)
	}
	if err != nil {
		return nil, nil, err
	}
	img, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return img, f, nil
}
