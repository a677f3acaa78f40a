// Package models has the OpenAPI models of the kinds, made by go generate.
package models
