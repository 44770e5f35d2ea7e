// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrNoCache is wrapped by errors about a cache that lacks what a run needs.
var ErrNoCache = errors.New("run tests/vm/setup as root first")

// images are the files of the cache one run reads.
type images struct {
	vmlinux, initrd, modules string // of the kernel
	root                     string // the guest's userland
}

// CacheDir is the folder tests/vm/setup fills: $ZQUBLKD_VM_CACHE, by default /var/cache/zqublkd-vm.
func CacheDir() string {
	if dir := os.Getenv("ZQUBLKD_VM_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/zqublkd-vm"
}

// Release is the full release name of the cached kernel of a series, as uname -r says it.
func Release(series string) (string, error) {
	path := filepath.Join(CacheDir(), "kernel-"+series, "version")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("no kernel %s in %s: %w", series, CacheDir(), ErrNoCache)
	}
	return strings.TrimSpace(string(text)), nil
}

func findImages(series string) (images, error) {
	if _, err := Release(series); err != nil {
		return images{}, err
	}
	kernel := filepath.Join(CacheDir(), "kernel-"+series)
	found := images{
		vmlinux: filepath.Join(kernel, "vmlinux"),
		initrd:  filepath.Join(kernel, "initrd"),
		modules: filepath.Join(kernel, "modules.erofs"),
		root:    filepath.Join(CacheDir(), "guest", "root.erofs"),
	}
	if _, err := os.Stat(found.root); err != nil {
		return images{}, fmt.Errorf("no guest in %s: %w", CacheDir(), ErrNoCache)
	}
	return found, nil
}
