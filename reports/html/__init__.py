"""The report as a page to look at: ``report/index.html`` with its media, or one file that holds both."""
