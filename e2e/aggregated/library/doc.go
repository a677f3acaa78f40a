// Package library has the kinds of library.example.org/v1.
//
// +k8s:openapi-gen=true
package library
