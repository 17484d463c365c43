// Package tree tests the source tree: the imports between packages, and that the files and
// tests that documents name exist.
package tree
