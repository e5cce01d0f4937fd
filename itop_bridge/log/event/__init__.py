"""The entries of the catalogue, a module for each part of the program: a new event goes into that of its part."""
