// Package openapi owns the OpenAPI v2 and v3 documents of the server: those of
// the built-in types, made at generate time and embedded compressed, and those
// of custom resources, made when they change. Read generate.go first for where
// the embedded ones come from.
package openapi
