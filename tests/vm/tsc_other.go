// SPDX-License-Identifier: Apache-2.0

//go:build !amd64

package vm

// tscKHz is 0: other processors have no such counter.
func tscKHz() int { return 0 }
