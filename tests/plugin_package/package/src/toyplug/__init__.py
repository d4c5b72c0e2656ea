"""A plug-in for portraitbench: found through its entry points, imported only when one of its names is asked for."""
