package inventory

import "slices"

// SortFunc sorts a list in place. It sorts pointers: the compiler makes the code of
// slices.SortFunc, ten kilobytes, once for all of them, and once for each type of struct.
func SortFunc[T any](list []T, compare func(a, b *T) int) {
	sorted := true
	for i := 1; sorted && i < len(list); i++ {
		sorted = compare(&list[i-1], &list[i]) <= 0
	}
	if sorted { // as an inventory from the wire usually is
		return
	}
	all := make([]T, len(list))
	copy(all, list)
	order := make([]*T, len(all))
	for i := range all {
		order[i] = &all[i]
	}
	slices.SortFunc(order, compare)
	for i, p := range order {
		list[i] = *p
	}
}
