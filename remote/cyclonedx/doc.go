// Package cyclonedx encodes a scan as a software bill of materials in CycloneDX 1.6 JSON
// (ECMA-424), and decodes those of assay and other tools.
//
// Everything for which the format has a field is in that field: name, version, purl, cpe,
// hashes, publisher (the vendor), evidence.occurrences (where a package was found, with the
// reader that found it as additionalContext), metadata.tools (the client). The operating
// system is a component of that type. The type, architecture, source package and module
// label are in the purl. Everything else is a property whose name begins with "assay:".
// Such a property overrides what was read elsewhere:
//
//	assay:type, assay:name, assay:version, assay:arch, assay:source,
//	assay:source-version, assay:vendor, assay:module, assay:embedded-in,
//	assay:signed-by
//	assay:content-set, assay:hash   repeated, for the whole list
//	assay:owner, assay:owner-digest the operating system package that owns the files
//	assay:linked                    what of a Go module is in a program; see inventory.Linked
//	assay:layer                     the DiffID of the layer that brought the package
//	assay:codename, assay:id-like   of the operating system; the second is repeated
//	assay:repository                of the operating system, repeated: where it upgrades from
//
// The metadata has these properties:
//
//	assay:option:ORIGIN:NAME  the value of an option; ORIGIN is "flag" or the
//	                          name of an environment variable
//	assay:file:KIND:NAME      the content of a file in base64; KIND is "ignore" or "vex"
//	assay:image               the finished image, as JSON of verdict.Image
//	assay:partial             {"path":…,"kind":…,"error":…}, what could not be read
package cyclonedx
