// SPDX-License-Identifier: Apache-2.0

// Package server is the life of the daemon that serves one image as one block
// device: it opens the image, makes the driver's device, records it in the run
// directory, answers on the control socket, and stops the device, hands it over
// or takes it over from a daemon that died. What becomes of the requests
// meanwhile is package engine.
//
// # How it is used
//
//	err := server.Serve(ctx, server.Config{Image: path, ID: -1}, func(r server.Record) { ... })
//
// It returns when the device is gone, or when it has been handed over. Other
// programs find devices by Records, ask them by AskStatus and AskStop, and free
// those of dead daemons by Delete.
//
// # Invariants
//
//   - A device is recorded before the driver knows it, so that a daemon that dies at
//     any moment leaves nothing unknown. Only what is recorded, under the record's
//     lock, is ever recovered or deleted.
//   - Steps up are undone last first; each is tried.
//   - A takeover has its record and its socket before END_USER_RECOVERY; after that
//     nothing can fail but the process.
//   - Processes are known by the locks they hold, not by a number.
//   - Nothing in the run directory is believed that other users could change.
//
// # Locks
//
// The lock of a record (deviceDir) is a file lock that lives as long as its daemon. It
// is taken before the lock of the image, and kept until the device is gone.
package server
