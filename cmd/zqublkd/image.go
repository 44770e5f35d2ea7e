// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"zqublkd/internal/engine"
	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
)

// openImage opens an image to look at it, also one the kernel could not take.
// The caller closes the file.
func openImage(path string, share bool) (*qcow2.Image, storage.File, error) {
	o, err := openFiles(path, share, imagefile.Options{})
	if err != nil {
		return nil, nil, err
	}
	return o.Image, o.File, nil
}

// following are the options that follow the names a user allows to be followed.
func following(a engine.Allow) imagefile.Options {
	return imagefile.Options{AllowBacking: a.Backing, AllowData: a.Data}
}

// openFiles opens an image and the files it names, as far as the options allow,
// to look at them. The caller closes them.
func openFiles(path string, share bool, options imagefile.Options) (*imagefile.Opened, error) {
	options.Options, options.Lenient = storage.Options{ReadOnly: true, NoLock: share}, true
	o, err := imagefile.Open(path, options)
	if errors.Is(err, storage.ErrInUse) {
		return nil, fmt.Errorf("%w; -U looks at it all the same", err)
	}
	return o, err
}
