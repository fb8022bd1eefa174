"""What is measured, one module for each part: ``run(bench)`` gives its section."""
