// SPDX-License-Identifier: Apache-2.0

// Package storagetest has files to test with: [Mem] in memory, and [Recorder],
// which writes down what changes a file, plays its page cache, fails when told
// (Inject, Room), tears and reorders, and makes what a power cut may leave
// (Crash). [Thin] is a file system that loses writes.
//
//	rec := storagetest.NewRecorder(new(storagetest.Mem))
//	// ... use rec as a storage.File ...
//	after := rec.Crash(n, storagetest.Shuffled(seed)) // after n of its operations
//
// Each Recorder and Mem has one lock, held by no call into another.
package storagetest
