// Package tree tests the source tree: which package imports which, and that documents
// name what is there.
package tree
