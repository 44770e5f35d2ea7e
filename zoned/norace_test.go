// SPDX-License-Identifier: Apache-2.0

//go:build !race

package zoned_test

const defaultOperations = 200_000
