// SPDX-License-Identifier: Apache-2.0

//go:build race

package zoned_test

// defaultOperations are fewer than usual: the race detector slows all down.
const defaultOperations = 40_000
