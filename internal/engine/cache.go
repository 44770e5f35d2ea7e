// SPDX-License-Identifier: Apache-2.0

package engine

// Cache is how file I/O treats the page cache, as qemu-img's -t.
type Cache string

// The cache modes.
const (
	CacheNone      Cache = "none"
	CacheWriteback Cache = "writeback"
)
