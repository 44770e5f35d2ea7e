// SPDX-License-Identifier: Apache-2.0

package server

import "zqublkd/ublk"

// cpusFor is where the thread of queue id may run: anywhere but on the CPUs
// whose requests it serves. Together with a busy client on one CPU they take
// turns, a few requests at a time; apart, each finds many when it looks. Where
// there are no other CPUs it is left to the scheduler, as it is if anything
// can't be told.
func (d *Device) cpusFor(id int) ublk.CPUSet {
	allowed, err := ublk.AllowedCPUs()
	if err != nil {
		return nil
	}
	clients, err := d.driver.QueueAffinity(d.info.ID, id)
	if err != nil {
		return nil
	}
	return allowed.Without(clients)
}
